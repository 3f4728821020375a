"""Systems whose data are business tables: prices, sales, demand, decisions."""
