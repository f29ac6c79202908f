"""Large scale: positions of UEs and sites, path loss, shadowing and handover."""
