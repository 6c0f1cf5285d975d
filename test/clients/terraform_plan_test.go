// SPDX-License-Identifier: Apache-2.0

package clients_test

// changedInPlace is what the second value of the variable changes, sorted by
// address.
var changedInPlace = []string{
	"aws_default_security_group.main",
	"aws_ec2_managed_prefix_list.inline",
	"aws_eip.joined",
	"aws_instance.main",
	"aws_internet_gateway.main",
	"aws_launch_template.interfaces",
	"aws_launch_template.main",
	"aws_nat_gateway.out",
	"aws_network_interface.one",
	"aws_network_interface.prefixes",
	"aws_route_table.inline",
	"aws_route_table_association.a",
	"aws_security_group.inline",
	"aws_security_group_rule.in",
	"aws_subnet.a",
	"aws_vpc.main",
	"aws_vpc_endpoint.streaming",
	"aws_vpc_peering_connection.far",
	"aws_vpc_peering_connection_accepter.far",
	"aws_vpc_peering_connection_options.far",
	"aws_vpc_security_group_egress_rule.six",
	"aws_vpc_security_group_ingress_rule.ssh",
}

// localAttributes are the resources that have attributes which the provider keeps
// in its state only, so that an import cannot know them and the plan after it sets
// them without a call.
var localAttributes = []string{
	"aws_launch_template.main",                // update_default_version
	"aws_security_group.separate",             // revoke_rules_on_delete
	"aws_vpc_peering_connection_accepter.far", // auto_accept
}
