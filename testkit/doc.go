// Package testkit is for the tests of programs that use clstr: a cluster in one
// call on either transport, one entity alone in a bubble of virtual time, a
// transport that misbehaves on demand, a recorder, and a check for leaks.
package testkit
