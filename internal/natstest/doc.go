// Package natstest starts the servers that tests of stores need.
package natstest
