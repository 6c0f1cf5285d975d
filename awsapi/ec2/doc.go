// SPDX-License-Identifier: Apache-2.0

// Package ec2 is Amazon EC2's operations as clients call them: it checks the
// form of a request, hands nouns to control, and spells the answer as the
// documentation does (docs/spec/ec2-api.md).
//
// A handler has two phases. The first looks at the request alone: exclusive
// parameters, the syntax of values (steps 4 and 5 of section 1.5). What it
// returns runs after authorization and DryRun, and is the only part that reads
// or changes anything. Existence, state, duplicates and quotas are control's.
package ec2
