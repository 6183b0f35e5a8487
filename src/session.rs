//! Two state machines that speak the session protocol: the relay's end and the client's end.
