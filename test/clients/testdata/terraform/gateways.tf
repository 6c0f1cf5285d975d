# SPDX-License-Identifier: Apache-2.0

resource "aws_eip" "nat" {
  domain     = "vpc"
  depends_on = [aws_internet_gateway.main]
}

resource "aws_nat_gateway" "out" {
  allocation_id = aws_eip.nat.id
  subnet_id     = aws_subnet.b.id
  tags          = { Name = var.second ? "renamed" : "out" }
  depends_on    = [aws_internet_gateway.main]
}

resource "aws_route_table" "private" {
  vpc_id = aws_vpc.main.id

  route {
    cidr_block     = "0.0.0.0/0"
    nat_gateway_id = aws_nat_gateway.out.id
  }
}

resource "aws_vpc_endpoint" "streaming" {
  vpc_id             = aws_vpc.main.id
  service_name       = "com.amazonaws.us-east-1.appstream.streaming"
  vpc_endpoint_type  = "Interface"
  subnet_ids         = [aws_subnet.b.id]
  security_group_ids = var.second ? [aws_security_group.plain.id, aws_security_group.inline.id] : [aws_security_group.plain.id]
  tags               = { Name = var.second ? "renamed" : "door" }
}
