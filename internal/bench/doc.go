// Package bench holds the benchmarks that need more than one process: a NATS
// server, a node and a client, each its own. It is nothing but tests; `make
// bench` runs it beside the benchmarks of the packages and prints the ratios.
package bench
