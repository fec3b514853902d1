// Package natstransport connects clients and nodes of many processes through
// NATS.
package natstransport

import _ "github.com/nats-io/nats.go"
