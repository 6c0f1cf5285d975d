// SPDX-License-Identifier: Apache-2.0

package model

import "github.com/hedgeward/hedgeward/secgroup"

// Quotas is the kind of rows with the limits of one account in one Region. Their
// id is ScopeID.
const Quotas Kind = "quota"

var quotasSchema = schema[secgroup.Quotas]{kind: Quotas, id: func(q *secgroup.Quotas) string { return ScopeID(q.Scope) }}
