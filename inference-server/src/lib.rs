//! Protocols, routing, features to vector to model to answer
