# SPDX-License-Identifier: Apache-2.0

# Everything in this subnet has addresses of its own choice.
resource "aws_network_interface" "one" {
  subnet_id         = aws_subnet.a.id
  private_ips       = var.second ? ["10.70.1.10", "10.70.1.11"] : ["10.70.1.10"]
  description       = var.second ? "one, changed" : "one"
  security_groups   = var.second ? [aws_security_group.inline.id, aws_security_group.plain.id] : [aws_security_group.inline.id]
  source_dest_check = !var.second
  tags              = { Name = "one" }
}

# A group that joins an interface from outside.
resource "aws_network_interface" "joined" {
  subnet_id   = aws_subnet.a.id
  private_ips = ["10.70.1.20"]
  lifecycle { ignore_changes = [security_groups] }
}

resource "aws_network_interface_sg_attachment" "joined" {
  network_interface_id = aws_network_interface.joined.id
  security_group_id    = aws_security_group.plain.id
}

resource "aws_instance" "main" {
  ami                    = "ami-netns"
  instance_type          = "t3.micro"
  subnet_id              = aws_subnet.a.id
  private_ip             = "10.70.1.30"
  vpc_security_group_ids = var.second ? [aws_security_group.plain.id, aws_security_group.inline.id] : [aws_security_group.plain.id]
  tags                   = { Name = var.second ? "changed" : "main" }
}
