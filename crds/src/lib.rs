//! API types of Triplane: kinds, CEL rules, columns, conditions
