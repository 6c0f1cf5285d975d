# SPDX-License-Identifier: Apache-2.0

resource "aws_default_security_group" "main" {
  vpc_id = aws_vpc.main.id

  ingress {
    protocol  = "-1"
    from_port = 0
    to_port   = 0
    self      = true
  }

  dynamic "egress" {
    for_each = var.second ? [53] : []
    content {
      protocol    = "udp"
      from_port   = egress.value
      to_port     = egress.value
      cidr_blocks = ["10.70.0.2/32"]
    }
  }
}

# Rules inside the group.
resource "aws_security_group" "inline" {
  name        = "inline"
  description = "rules inside"
  vpc_id      = aws_vpc.main.id

  ingress {
    description      = var.second ? "web, everywhere" : "web"
    protocol         = "tcp"
    from_port        = 443
    to_port          = 443
    cidr_blocks      = var.second ? ["0.0.0.0/0"] : ["198.51.100.0/24", "203.0.113.0/24"]
    ipv6_cidr_blocks = ["2001:db8::/32"]
  }
  ingress {
    protocol    = "icmp"
    from_port   = 8
    to_port     = 0
    cidr_blocks = ["10.0.0.0/8"]
  }
  ingress {
    protocol         = "icmpv6"
    from_port        = -1
    to_port          = -1
    ipv6_cidr_blocks = ["::/0"]
  }
  ingress {
    protocol    = "50"
    from_port   = 0
    to_port     = 0
    cidr_blocks = ["10.0.0.0/8"]
  }
  ingress {
    protocol        = "tcp"
    from_port       = 0
    to_port         = 65535
    self            = true
    security_groups = [aws_security_group.separate.id]
  }
  egress {
    protocol         = "-1"
    from_port        = 0
    to_port          = 0
    cidr_blocks      = ["0.0.0.0/0"]
    ipv6_cidr_blocks = ["::/0"]
  }

  tags = var.second ? { team = "blue", tier = "web" } : { team = "red" }
}

# Rules beside the group, of three kinds.
resource "aws_security_group" "separate" {
  name_prefix            = "separate-"
  vpc_id                 = aws_vpc.main.id
  revoke_rules_on_delete = true
}

resource "aws_vpc_security_group_ingress_rule" "ssh" {
  security_group_id = aws_security_group.separate.id
  description       = var.second ? "ssh from the office" : "ssh"
  ip_protocol       = "tcp"
  from_port         = 22
  to_port           = var.second ? 23 : 22
  cidr_ipv4         = "192.0.2.0/24"
  tags              = { Name = var.second ? "ssh2" : "ssh" }
}

resource "aws_vpc_security_group_ingress_rule" "peer" {
  security_group_id            = aws_security_group.separate.id
  ip_protocol                  = "-1"
  referenced_security_group_id = aws_security_group.plain.id
}

resource "aws_vpc_security_group_egress_rule" "six" {
  security_group_id = aws_security_group.separate.id
  ip_protocol       = "udp"
  from_port         = 53
  to_port           = 53
  cidr_ipv6         = var.second ? "2001:db8:2::/48" : "2001:db8:1::/48"
}

resource "aws_security_group" "plain" {
  name   = "plain"
  vpc_id = aws_vpc.main.id
}

resource "aws_security_group_rule" "in" {
  security_group_id = aws_security_group.plain.id
  type              = "ingress"
  description       = var.second ? "described anew" : "described"
  protocol          = "tcp"
  from_port         = 8000
  to_port           = 8080
  cidr_blocks       = ["10.1.0.0/16", "10.2.0.0/16"]
}

resource "aws_security_group_rule" "in_group" {
  security_group_id        = aws_security_group.plain.id
  type                     = "ingress"
  protocol                 = "icmp"
  from_port                = -1
  to_port                  = -1
  source_security_group_id = aws_security_group.separate.id
}

resource "aws_security_group_rule" "out" {
  security_group_id = aws_security_group.plain.id
  type              = "egress"
  protocol          = "all"
  from_port         = 0
  to_port           = 0
  self              = true
}
