// Package routes knows the node that serves each shard, as far as an end has heard, and asks nodes when it does not. It decides nothing: a
// node serves what it may, and says so. It sends and hears nothing itself: an [End] does.
package routes
