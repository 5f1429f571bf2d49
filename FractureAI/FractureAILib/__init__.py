"""The panels of the module FractureAI, and what they share."""
