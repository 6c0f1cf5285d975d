# SPDX-License-Identifier: Apache-2.0

# Prefix lists, with their entries inside and beside them, as peers of rules.
resource "aws_ec2_managed_prefix_list" "inline" {
  name           = var.second ? "offices, renamed" : "offices"
  address_family = "IPv4"
  max_entries    = var.second ? 5 : 3

  entry {
    cidr        = "198.51.100.0/24"
    description = "first" # the provider cannot change it at the first attempt, on EC2 either
  }
  dynamic "entry" {
    for_each = var.second ? ["203.0.113.0/25", "203.0.113.128/25"] : ["203.0.113.0/24"]
    content {
      cidr = entry.value
    }
  }

  tags = { Name = "offices" }
}

resource "aws_ec2_managed_prefix_list" "separate" {
  name           = "six"
  address_family = "IPv6"
  max_entries    = 2
}

resource "aws_ec2_managed_prefix_list_entry" "six" {
  prefix_list_id = aws_ec2_managed_prefix_list.separate.id
  cidr           = "2001:db8:6::/48"
  description    = "six"
}

resource "aws_vpc_security_group_ingress_rule" "list" {
  security_group_id = aws_security_group.separate.id
  ip_protocol       = "tcp"
  from_port         = 5432
  to_port           = 5432
  prefix_list_id    = aws_ec2_managed_prefix_list.inline.id
}

resource "aws_security_group_rule" "list" {
  security_group_id = aws_security_group.plain.id
  type              = "egress"
  protocol          = "udp"
  from_port         = 53
  to_port           = 53
  prefix_list_ids   = [aws_ec2_managed_prefix_list.separate.id]
}
