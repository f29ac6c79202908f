"""Large scale: where UEs and sites are, path loss, shadowing, handover."""
