//! Every flow that the server has, each as a dialogue on a virtual network in virtual time.

mod calling_in;
mod calling_out;
mod changing;
mod durability;
mod failover;
mod first_call;
mod forking;
mod handling;
mod identity;
mod limits;
mod media;
mod overload;
mod receiving;
mod records;
mod refusing;
mod registering;
mod reliable;
mod sending;
mod session_timers;
mod talking;
mod tenant_limits;
mod tenants;
mod transferring;
mod transports;
mod trunks;
mod updating;
