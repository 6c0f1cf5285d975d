# SPDX-License-Identifier: Apache-2.0

# A second VPC: peered, and with a group of the first one in it.
resource "aws_vpc" "far" {
  cidr_block = "10.72.0.0/16"
}

resource "aws_vpc_peering_connection" "far" {
  vpc_id      = aws_vpc.main.id
  peer_vpc_id = aws_vpc.far.id
  tags        = { Name = var.second ? "far away" : "far" }
}

resource "aws_vpc_peering_connection_accepter" "far" {
  vpc_peering_connection_id = aws_vpc_peering_connection.far.id
  auto_accept               = true
  tags                      = { Name = var.second ? "far away" : "far" } # one account has one set of tags for both sides
}

resource "aws_vpc_peering_connection_options" "far" {
  vpc_peering_connection_id = aws_vpc_peering_connection_accepter.far.id
  requester {
    allow_remote_vpc_dns_resolution = var.second
  }
  accepter {
    allow_remote_vpc_dns_resolution = true
  }
}

resource "aws_security_group" "far" {
  name   = "far"
  vpc_id = aws_vpc.far.id
}

resource "aws_vpc_security_group_ingress_rule" "far" {
  security_group_id            = aws_security_group.separate.id
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
  referenced_security_group_id = aws_security_group.far.id
  depends_on                   = [aws_vpc_peering_connection_accepter.far]
}

resource "aws_vpc_security_group_vpc_association" "plain" {
  security_group_id = aws_security_group.plain.id
  vpc_id            = aws_vpc.far.id
}
