"""Context: what OpenStreetMap knows around every place."""
