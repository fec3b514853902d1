// Package routes is what an end knows of which node serves which shard, and how it asks nodes for that. It decides nothing: a
// node serves what it may, and says so. It sends and hears nothing itself: an [End] does.
package routes
