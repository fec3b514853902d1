// Package wire turns envelopes, replies and cancellations into bytes and back:
// the protobuf messages of clstr.proto, by hand, which takes a seventh of the
// time that generated code does.
//
//	b := wire.AppendEnvelope(nil, &env, budget, nil, 0)
//	b = wire.AppendEnd(b, firstID)
//
//	var d wire.Decoder
//	err := d.Decode(b, &packet)
//
// A packet is its fields one after the other, so that envelopes are appended as
// they come and the packet is ended when it is sent. Nothing here blocks or
// keeps a reference, except that payloads which are a large part of a packet share
// its bytes. The tests compare with generated code; the decoder is fuzzed.
package wire
