"""What a run leaves behind: its folder, manifest, statistics, figures and report."""
