"""The results of a run: folder, manifest, statistics, figures and report."""
