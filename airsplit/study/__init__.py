"""Studies: many runs of one scenario, planned as cells, executed by any pool, and kept in one folder."""
