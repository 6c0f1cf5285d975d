// SPDX-License-Identifier: Apache-2.0

// Package appstream is AppStream 2.0 as far as networking needs it: fleets,
// builders, stacks, sessions and images, in the JSON 1.1 protocol
// (docs/spec/appstream.md). It checks the form of requests and shows what control
// holds; it never decides anything about a fleet: that is control's.
package appstream

import (
	"slices"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/appstream/appstreamtypes"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/secgroup"
)

// Service answers AppStream's operations from control.
type Service struct {
	control *control.Service
}

// New returns the service as awsapi serves it.
func New(c *control.Service) *awsapi.Service {
	s := &Service{c}
	return awsapi.NewService(appstreamtypes.Model, awsapi.JSON11, s.operations()...).Refuse(
		secgroup.Errorf("OperationNotPermittedException", "Operation not supported by this installation."), others...).Looking(
		secgroup.Errorf("RequestLimitExceededException", "The calls of EC2 that describe the account's network are throttled now. Try again."),
		"CreateFleet", "UpdateFleet", "StartFleet", "CreateImageBuilder", "CreateAppBlockBuilder", "UpdateAppBlockBuilder", "StartAppBlockBuilder").Lost(
		secgroup.Errorf("ConcurrentModificationException", "Another change of the same resource is in progress. Try again."),
		"CreateFleet", "UpdateFleet", "StartFleet", "StopFleet", "DeleteFleet", "CreateImageBuilder", "StartImageBuilder", "StopImageBuilder",
		"DeleteImageBuilder", "CreateAppBlockBuilder", "UpdateAppBlockBuilder", "StartAppBlockBuilder", "StopAppBlockBuilder",
		"DeleteAppBlockBuilder", "CreateStack", "UpdateStack", "DeleteStack", "AssociateFleet", "DisassociateFleet", "DrainSessionInstance", "UpdateDirectoryConfig")
}

// operations returns everything that the installation offers.
func (s *Service) operations() []awsapi.Operation {
	return slices.Concat(s.fleetOperations(), s.builderOperations(), s.stackOperations(), s.sessionOperations(), s.directoryOperations(), s.catalogueOperations())
}

// others are the operations of AppStream 2.0 that are about other things than
// networking (section 2).
var others = []string{
	"AssociateAppBlockBuilderAppBlock", "AssociateApplicationFleet", "AssociateApplicationToEntitlement",
	"AssociateSoftwareToImageBuilder", "BatchAssociateUserStack", "BatchDisassociateUserStack", "CopyImage", "CreateAppBlock",
	"CreateAppBlockBuilderStreamingURL", "CreateApplication", "CreateEntitlement", "CreateExportImageTask",
	"CreateImportedImage", "CreateThemeForStack", "CreateUpdatedImage", "CreateUsageReportSubscription", "CreateUser", "DeleteAppBlock",
	"DeleteApplication", "DeleteEntitlement", "DeleteImage", "DeleteImagePermissions", "DeleteThemeForStack",
	"DeleteUsageReportSubscription", "DeleteUser", "DescribeAppBlockBuilderAppBlockAssociations", "DescribeAppBlocks",
	"DescribeAppLicenseUsage", "DescribeApplicationFleetAssociations", "DescribeApplications",
	"DescribeEntitlements", "DescribeImagePermissions", "DescribeSoftwareAssociations", "DescribeThemeForStack",
	"DescribeUsageReportSubscriptions", "DescribeUserStackAssociations", "DescribeUsers", "DisableUser",
	"DisassociateAppBlockBuilderAppBlock", "DisassociateApplicationFleet", "DisassociateApplicationFromEntitlement",
	"DisassociateSoftwareFromImageBuilder", "EnableUser", "GetExportImageTask", "ListEntitledApplications", "ListExportImageTasks",
	"StartSoftwareDeploymentToImageBuilder", "UpdateApplication", "UpdateEntitlement", "UpdateImagePermissions",
	"UpdateThemeForStack",
}
