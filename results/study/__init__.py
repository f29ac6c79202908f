"""What a study leaves behind, and its statistics, tables and figures from there alone."""
