"""What the API's page states is what the API takes and answers, no more and no less."""
