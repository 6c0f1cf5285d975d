// SPDX-License-Identifier: Apache-2.0

// Package appstream is AppStream 2.0 as far as Hedgeward has it
// (docs/spec/ec2-api.md section 11.4). No operation is offered yet: those of the
// model answer UnsupportedOperation, in the protocol of the service.
package appstream

import (
	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/appstream/appstreamtypes"
)

// New returns the service.
func New() *awsapi.Service {
	return awsapi.NewService(appstreamtypes.Model, awsapi.JSON11)
}
