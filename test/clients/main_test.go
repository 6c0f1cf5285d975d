// SPDX-License-Identifier: Apache-2.0

// Package clients_test holds the system to what its users already have: Terraform
// with the AWS provider, boto3, the AWS CLI, the SDK for Go and Ansible's
// amazon.aws modules, all unmodified, against a running `hedgeward up`. What a
// client needs to be told beyond an endpoint and a key would be a defect. Nothing
// here looks at packets: test/e2e does.
//
// The scripts under testdata are written as their users would write them and know
// nothing of this product. Tests run side by side on one server, each in VPCs of
// its own.
package clients_test

import (
	"os"
	"testing"

	"github.com/hedgeward/hedgeward/test/rig"
)

func TestMain(m *testing.M) { os.Exit(rig.Main(m, 4)) }
