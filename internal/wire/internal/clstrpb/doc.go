// Package clstrpb is the code that protoc makes of clstr.proto. Tests measure the
// hand-written codec by it; nothing else uses it.
package clstrpb
