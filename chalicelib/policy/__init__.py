"""Pure decisions, one module per subject: values and `now` in, values and a reason out. May import domain and platform."""
