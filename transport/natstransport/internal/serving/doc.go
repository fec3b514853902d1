// Package serving is which shards an end serves, in which epochs, and what it answers to questions about owners. It sends
// and hears nothing.
package serving
