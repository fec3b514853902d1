// Package cborcodec lets messages travel as CBOR (RFC 8949) instead of JSON: smaller, usually quicker, and without
// schemas. A program that names the package knows the codec. Every node of a cluster must know it before
// the first client uses it:
//
//	import _ "github.com/clstr-go/clstr/cluster/cborcodec" // in the nodes' program
//
//	client, err := cluster.NewClient(cluster.ClientOptions{Transport: tr, Codec: cborcodec.Name})
//
// A message type can choose the codec by itself, for all clients:
//
//	func (Position) MessageCodec() string { return cborcodec.Name }
//
// Replies come in the codec of their request. Protobuf messages stay protobuf, and stored state stays JSON
// or protobuf.
//
// # Types
//
// A type must be able to travel as JSON too. A field takes its name from its tag cbor, or else from its tag
// json. MarshalJSON is not called. A type can encode itself with MarshalCBOR, or else MarshalBinary, or else
// MarshalText. A struct that has MarshalJSON and none of these is refused
// ([github.com/clstr-go/clstr/outcome.ErrInvalidMessage]), and so are fields that would be lost, text that is not UTF-8, and
// values that hold themselves. NaN and infinities travel, and times keep their offset.
//
// In an interface, a number, time, list or struct comes back as one of the types that CBOR knows: an int64, a
// float64, a []byte, a time.Time, a []any or a map[string]any.
//
// The codec keeps nothing of what it is given, and all goroutines can use it. Its tests are beside the files.
package cborcodec
