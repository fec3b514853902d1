// Messages for the tests of copies

// Package testpb is the code that protoc-gen-go makes of messages of every shape: hidden.proto with
// API_OPAQUE, the others without. Only tests use it.
package testpb
