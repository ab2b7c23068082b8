"""LDAP directories: OpenLDAP, 389, Active Directory and what speaks like them."""
