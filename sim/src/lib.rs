//! A virtual network with scripted phones and carriers.
