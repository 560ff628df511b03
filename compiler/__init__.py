"""The driver: phases, pipelines, command line, tuning and reproducers."""
