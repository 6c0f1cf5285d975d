// SPDX-License-Identifier: Apache-2.0

// Package control is the operations: what each call of the API checks, in which
// order, and what it changes (docs/spec/ec2-api.md sections 2 to 12).
//
// An operation reads one snapshot of the model, or runs as a transaction that is
// committed only if nothing it read has changed. It takes and returns the nouns
// of package secgroup and knows neither XML nor HTTP nor signatures: those are
// awsapi's. Refusals are *secgroup.Error; everything else is a fault.
package control
