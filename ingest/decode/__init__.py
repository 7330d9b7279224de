"""Flow-log objects of every format to rows; what does not fit is named."""
