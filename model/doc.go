// SPDX-License-Identifier: Apache-2.0

// Package model is what the store holds as typed tables with the indexes that
// operations, filters and the feed need.
//
// One goroutine (Model.Run) follows the store's commits and replaces the
// current Snapshot; everybody else reads snapshots without locks. Stored values
// are immutable: a reader never changes what it got, a writer puts a changed
// copy into a Tx. The package decides nothing about EC2: control does.
package model
