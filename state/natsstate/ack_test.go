package natsstate

import (
	"encoding/json"
	"testing"

	"github.com/nats-io/nats.go"
)

// What is read without package json is what package json reads, and all else is left to it.
func TestAcknowledgements(t *testing.T) {
	for data, plain := range map[string]bool{
		`{"stream":"clstr_state", "seq":7}`:                                              true,
		`{"stream":"s","seq":18446744073709551615}`:                                      true,
		`{"stream":"s", "domain":"hub", "seq":7}`:                                        false,
		`{"stream":"s", "seq":7,"duplicate": true}`:                                      false,
		`{"stream":"s","seq":7,"batch":"x","count":2}`:                                   false,
		`{"error":{"code":400,"err_code":10071,"description":"x"},"stream":"s","seq":0}`: false,
		`{"stream":"s","seq":0}`:                                                         false,
		`{"stream":"s","seq":-7}`:                                                        false,
		`{"stream":"s","seq":18446744073709551616}`:                                      false,
		`{"stream":"s","seq":}`:                                                          false,
		`{"stream":"s","seq":7`:                                                          false,
		`{"stream":"seq":7}`:                                                             false,
		`{"stream":"`:                                                                    false,
		``:                                                                               false,
	} {
		seq, ok := plainAck([]byte(data))
		var want ack
		if err := json.Unmarshal([]byte(data), &want); ok != plain || ok && (err != nil || want.Seq != seq || want.Error != nil) {
			t.Errorf("%s: %d, %v; package json: %+v, %v", data, seq, ok, want, err)
		}
		if a, err := decodeAck(&nats.Msg{Data: []byte(data)}); err == nil && a.Seq != want.Seq {
			t.Errorf("%s: %+v, want %+v", data, a, want)
		}
	}
}
