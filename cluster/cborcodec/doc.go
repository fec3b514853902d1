// Package cborcodec lets messages travel as CBOR (RFC 8949) in place of JSON: smaller, quicker, and without
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
// A type must be one that can travel as JSON too. Fields have the name of their tag cbor, or else of their tag
// json. MarshalJSON is not called: a type encodes itself with MarshalCBOR, or else MarshalBinary, or else
// MarshalText. A struct that has MarshalJSON and none of these is refused
// ([github.com/clstr-go/clstr/outcome.ErrInvalidMessage]), and so are fields that would be lost, text that is not UTF-8, and
// values that hold themselves. NaN and infinities travel, and times keep their offset.
//
// A value in an interface comes back as what CBOR knows: a map[string]any, a []any, an int64, a float64,
// a []byte, a time.Time.
//
// The codec keeps nothing of what it is given, and all goroutines can use it. Its tests are beside the files.
package cborcodec
