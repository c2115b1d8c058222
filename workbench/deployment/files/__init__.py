"""What a bucket needs so that browsers may upload to it."""
