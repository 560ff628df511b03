"""Analyses that passes share: liveness, dependence, cost, bounds."""
