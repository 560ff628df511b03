"""The driver: phases, pipelines, command line and reproducers."""
