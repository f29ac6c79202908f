"""Tables with a time and a rate in each row, as CSV files hold them."""
