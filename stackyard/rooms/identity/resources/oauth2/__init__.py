"""OAuth 2.0: tokens for programs by the client credentials grant."""
