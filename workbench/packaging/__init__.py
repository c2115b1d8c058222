"""What goes into the Lambda zip beside the code: compiled modules and templates, and the AWS services' descriptions."""
