"""Messages that Amazon SNS sends over HTTPS: their format, their signature and the certificate that proves it."""
