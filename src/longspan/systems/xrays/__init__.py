"""Systems that read X-rays: bone age of hands, illness of chests."""
