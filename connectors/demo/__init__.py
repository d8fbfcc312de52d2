"""The demonstration: a real sensor's file played as devices, with real mail and HTTP servers."""
